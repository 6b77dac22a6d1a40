"""`python -m advisor.cli`, for where the script is not on the path."""

from advisor.cli import program

if __name__ == "__main__":
    program()
