"""What is wrong with a model before it is trained: numbers, the bounds that they cross, and what
mends them.
"""
