"""Jobs on the workers of somebody else's engine: Dask, or any executor of Python's."""
