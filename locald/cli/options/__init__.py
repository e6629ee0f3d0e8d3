"""The options of `locald build`, by the panel of the help that they stand in."""
