"""The one exception for anything a user can put right."""


class InputError(ValueError):
    """Bad input: its text is one sentence that says what is wrong, where, and what to do."""
