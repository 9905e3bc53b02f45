// The grammar of the model language, rule for rule that of docs/language.md. Line ends mean nothing, so every
// statement starts with a word. The last lexer rules catch what is no token at all; frontend/Syntax/Parse.cpp
// reports those itself and hands only sound tokens to the parser.
grammar Mdl;

program: use* item* EOF;
wholeExpr: expr EOF;              // the value of an option
use: 'use' STRING;
item: function | block | attention | model | train;

function: 'function' ID '(' names? ')' '=' expr;
block: 'block' ID params body;
attention: 'attention' ID params body;
model: 'model' ID (params body | '=' ID '(' args? ')');
train: 'train' '{' setting* '}';
setting: ID '=' expr;

names: ID (',' ID)*;
params: '(' (param (',' param)*)? ')';
param: 'attention'? ID ('=' expr)?;
body: '{' stmt* '}';

stmt
  : names '=' exprs                                                      # assignStmt
  | kind=('score' | 'set' | 'state' | 'report') ID '=' expr              # declareStmt
  | 'loss' ID? '=' expr                                                  # lossStmt
  | 'return' exprs                                                       # returnStmt
  | 'repeat' ID 'in' (NUMBER | ID | '(' expr ')') ('as' path)? body      # repeatStmt
  | 'if' expr body ('else' body)?                                        # ifStmt
  ;

exprs: expr (',' expr)*;
expr: domain ('++' domain)*;
domain: orExpr ('over' orExpr)?;
orExpr: andExpr ('|' andExpr)*;
andExpr: notExpr ('&' notExpr)*;
notExpr: '!'* cmp;
cmp: sum (('<' | '<=' | '>' | '>=' | '==' | '!=') sum)?;
sum: prod (('+' | '-') prod)*;
prod: neg (('*' | '/' | 'div' | '%') neg)*;
neg: '-'* apply;
apply: power ('@' power)*;
power: named ('^' exponent)*;      // '^' groups from the right: 2 ^ 3 ^ 2 is 2 ^ 9
exponent: '-'? named;
named: primary postfix* ('as' path)?;
postfix: '[' expr ']' | '.' ID;
path: word ('.' word)*;

primary
  : NUMBER                   # number
  | STRING                   # string
  | ('true' | 'false')       # truth
  | ID ('(' args? ')')?      # nameOrCall
  | '(' expr ')'             # group
  | '[' exprs ']'            # list
  ;
args: arg (',' arg)*;
arg: (ID '=')? expr;

word
  : ID | 'use' | 'function' | 'block' | 'attention' | 'model' | 'train' | 'score' | 'set' | 'state' | 'report'
  | 'loss' | 'return' | 'repeat' | 'in' | 'as' | 'if' | 'else' | 'over' | 'div' | 'true' | 'false'
  ;

ID: [A-Za-z_] [A-Za-z_0-9]*;
NUMBER: DIGITS ('.' DIGITS)? ([eE] [+-]? DIGITS)?;
STRING: '"' ~["\r\n]* '"';
SPACE: [ \t\r\n]+ -> skip;
COMMENT: '//' ~[\r\n]* -> skip;
fragment DIGITS: [0-9]+;

BAD_NUMBER: NUMBER [A-Za-z_] [A-Za-z_0-9]*;
BAD_STRING: '"' ~["\r\n]*;
BAD_CHARACTER: .;
