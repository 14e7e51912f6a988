"""What `dicebeam analyze` measures of a data set, and the transform that it leaves."""
