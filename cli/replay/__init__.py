"""`okr replay`: how a cycle came to be what it is, in the terminal or as a page for the retrospective."""
