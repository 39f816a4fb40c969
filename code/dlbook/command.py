"""Command lines that answer a slip in one sentence."""
import argparse
import sys


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage of every option."""

    def error(self, message):
        """Say what is wrong and leave with status 2."""
        print(f"dlbook: {message}.", file=sys.stderr)
        sys.exit(2)
