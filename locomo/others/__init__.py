"""Other memories beside ours: the same turns, questions, model, prompt, budget and judge."""
