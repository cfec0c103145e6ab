"""What a question finds: searched, marked, gated, answered, corrected."""
