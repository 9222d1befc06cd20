"""Drivers and codecs for hall devices."""
