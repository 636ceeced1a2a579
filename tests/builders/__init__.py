"""What several test suites share to set up their tests."""
