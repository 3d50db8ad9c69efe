"""What plugins keep: tables of their own and variables, how they ask for them, and how their writes come to stand."""
