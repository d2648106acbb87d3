# What the examples and tests of remote objects say to each other.

@0xb0f4b5a3d6c8e1f7;

interface Adder {
  # Adds two numbers.
  add @0 (left :Int64, right :Int64) -> (sum :Int64);
}

interface Calculator {
  # Does not add itself: it has somebody for that, and hands him out.
  adder @0 () -> (adder :Adder);
}

interface Echoer {
  # Says what it hears.
  echo @0 (text :Text) -> (text :Text);
}

interface Root {
  # What a client gets to see first.
  calculator @0 () -> (calculator :Calculator);
  echoer @1 () -> (echoer :Echoer);
}
