"""The pictures of a report, a file each. They take plain data and give Matplotlib figures."""
