"""`python -m dlbook.publish COMMAND`: one sub-command a module, imported only when it is asked for."""
import importlib
import sys

from dlbook.command import Parser
from dlbook.publish import PublishError

# name: (module with `add_arguments(parser)` and `main(args)`, what it does)
COMMANDS = {
    "chapter": ("dlbook.publish.notebooks", "execute chapters and write their notebooks"),
    "verified": ("dlbook.publish.verified", "keep the records of the last verification in book/verified.json"),
    "site": ("dlbook.publish.site", "build the site from the executed notebooks"),
    "vendor": ("dlbook.publish.vendor", "fetch the scripts and fonts that the site serves itself"),
    "address": ("dlbook.publish.address", "set where the course is published and where its hub is"),
    "serve": ("dlbook.publish.serve", "serve the built site on this machine"),
}


def main(arguments=None):
    """Run one sub-command.

    Args:
        arguments: list of words; the command line's by default.

    Returns:
        int: exit status, 0 when all went well.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = Parser(prog="python -m dlbook.publish", description="Turn chapters into checked notebooks and a site.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = None
    for name, (module, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        if arguments[:1] == [name]:
            chosen = importlib.import_module(module)
            chosen.add_arguments(command)
    options = parser.parse_args(arguments)
    try:
        return chosen.main(options) or 0
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
