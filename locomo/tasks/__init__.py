"""What compiling and tuning share: modules at work on examples, rewards, gains, training data."""
