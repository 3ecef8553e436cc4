"""What is measured, in a process of its own. Imports nothing of the tests."""
