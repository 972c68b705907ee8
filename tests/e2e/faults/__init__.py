"""What is lost, and who gets in, when something breaks: kill -9, databases that stop, cut, fail over or are full."""
