"""Mutation testing: changes the product in small ways and reports the changes that no quick test notices.

`make mutants` runs it. It is our own because no library fits (looked at in November 2026): mutmut 3.8 leaves out module
and class level and works inside the checkout, cosmic-ray 8.7 edits the checkout and runs the same tests for every
mutant, and neither takes a sample within a time bound.
"""
