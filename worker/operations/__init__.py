"""What people look up and do, for every surface: the command line and the console call the same functions."""
