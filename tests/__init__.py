"""Tests: real databases, a scripted language model, tables of attacks."""
