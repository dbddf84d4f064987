"""What the definition of this project is made of."""
