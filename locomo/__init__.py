"""The benchmark: LoCoMo's format and scores, and the tools that compile, tune and measure."""
