"""The sections of the page, a file each: what is there is drawn, what is not there yet is said."""
