"""What is done to the data, a room for each job; Dice, its losses and its metrics stand in the hall."""
