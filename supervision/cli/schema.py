"""`copytrader schema`."""

import json

import click

from supervision.cli.output import print_json


@click.command(epilog="Example: copytrader schema --markdown > docs/control.md")
@click.option("--markdown", is_flag=True, help="Print the documentation page instead.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of everything that can be sent to the control socket.

    It is made from the classes into which the engine reads calls; no engine is needed.
    """
    from supervision.control import PROTOCOL
    from supervision.control.schema import control_schema
    from supervision.control_page import control_page
    from supervision.service.methods import describe_methods

    methods = describe_methods()
    if markdown:
        click.echo(control_page(methods), nl=False)
    else:
        print_json(json.loads(json.dumps(control_schema(methods, protocol=PROTOCOL))))
