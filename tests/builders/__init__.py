"""What several suites build their worlds from."""
