"""Deep Dream: a picture is changed until a layer sees in it more of what it sees already."""
