"""How well a model stores, retrieves and answers by itself."""
