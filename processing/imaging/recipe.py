"""The number of the way in which variants are made. It stands in their names. Pure."""

RECIPE = 2
"""Raise it by one with every change after which a photo that is processed again would get other bytes: in this package,
its constants, or the version of a codec. Browsers and edges cache what a URL gives, so that must never change. A new
recipe gives new URLs, and the old ones go on giving the old bytes.
"""
