"""Language models as GGUF files: what they say of themselves, and llama.cpp that runs them."""
