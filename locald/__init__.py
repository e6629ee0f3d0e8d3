"""The product: talks to people, decides, wires."""

__version__ = "0.1.0"
