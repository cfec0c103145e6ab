"""Shared by compiling and tuning: tasks, rewards, gains, training data."""
