"""Every text metric as a module of the library `evaluate`, which loads it by its folder's path."""
