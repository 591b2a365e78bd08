"""The pages of people, teams and tokens, and those of administrators."""
