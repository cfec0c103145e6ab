"""A scorecard of a memory: what can be measured of any memory without a language model."""
