"""What a study is made of: digests of the user's own code, of the files it reads, of its rows."""
