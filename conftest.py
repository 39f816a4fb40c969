"""Registers the notebook tests for every pytest run in this repository; tests/nbval_book.py is found by `pythonpath`."""
pytest_plugins = ["nbval_book"]
