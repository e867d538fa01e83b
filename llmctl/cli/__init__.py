"""Words in, typed call out. Only typer and the standard library are imported here."""
