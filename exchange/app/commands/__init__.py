"""One module per `tongban` command: HELP, `configure(parser)`, and `run(args)`, which returns the exit code."""
