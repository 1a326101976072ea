"""Where an optimization runs: in this process, or on a worker of a Dask cluster with a GPU."""
