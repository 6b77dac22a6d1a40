"""What a study is made of besides its rows: the user's own code and the files it reads."""
