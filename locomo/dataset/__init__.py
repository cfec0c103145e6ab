"""The file formats of LoCoMo, LongMemEval and MSC-Self-Instruct; commands that fetch and check."""
