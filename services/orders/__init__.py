"""Orders: owns the promise and the money of every order."""
