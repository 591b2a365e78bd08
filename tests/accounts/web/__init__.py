"""The pages of people, teams and tokens."""
