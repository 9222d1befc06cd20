"""Seals: signing and strict verification of XML and JSON documents; the only home of signxml and joserfc."""
