"""One module per `tongban` command: HELP, `configure(parser)` and `run(args)`, the exit code."""
