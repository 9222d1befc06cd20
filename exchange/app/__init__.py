"""Wiring: settings, HTTP application, workers, command line; imports everything, imported by nobody."""
