"""`python -m llmctl`: the same program as `llmctl`; what launchers start."""

from llmctl.cli.main import main

if __name__ == "__main__":
    main()
