"""`tongban serve`: run the hub until it is told to stop."""

import argparse
import logging
import sys

import structlog

from exchange.app.serving import serve
from exchange.app.settings import load_settings

HELP = "run the hub (HTTP, SOAP, queues, dispatch) until SIGTERM"


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments: the settings say everything."""
    parser.description = HELP


def run(args: argparse.Namespace) -> int:
    """0 when told to stop."""
    del args
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    serve(load_settings())
    return 0
