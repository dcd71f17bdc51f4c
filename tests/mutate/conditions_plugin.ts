/**
 * A plugin of `deno lint` that changes and complains of nothing: it reads the syntax tree and
 * reports every mutant that can be made of a module, each as a diagnostic whose message is JSON.
 * So mutants come from the tree that Deno's own parser makes, and from no list.
 */

type Range = Deno.lint.Node["range"];

/** A replacement of a piece of a module, by pieces of itself. */
export interface Found {
  readonly what: string;
  /** Where the piece is; the unit is the linter's. */
  readonly range: Range;
  /** The piece, to be sure that it is the right one. */
  readonly old: string;
  readonly new: string;
}

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

const negated: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": ">=",
  ">=": "<",
  ">": "<=",
  "<=": ">",
};
/** The same comparison with its boundary on the other side. */
const shifted: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const otherwise: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "&": "|",
  "|": "&",
  "^": "|",
};
const otherMethod: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  max: "min",
  min: "max",
};

/** Whether an expression decides where its statement goes, as a whole. */
function isWholeTest(node: Deno.lint.BinaryExpression | Deno.lint.UnaryExpression): boolean {
  const { parent } = node;
  switch (parent.type) {
    case "IfStatement":
    case "ConditionalExpression":
    case "WhileStatement":
    case "ForStatement":
      return parent.test?.range.join() === node.range.join();
    default:
      return false;
  }
}

/** Whether a function says that it returns a boolean. */
function returnsBoolean({ returnType }: FunctionNode): boolean {
  return returnType?.typeAnnotation.type === "TSBooleanKeyword";
}

function isText(node: Deno.lint.Node): boolean {
  return node.type === "TemplateLiteral" ||
    node.type === "Literal" && typeof node.value === "string";
}

const plugin: Deno.lint.Plugin = {
  name: "mutation",
  rules: {
    conditions: {
      create(context) {
        const text = (node: Deno.lint.Node) => context.sourceCode.getText(node);
        function found(node: Deno.lint.Node, what: string, replacement: string): void {
          const one: Found = { what, range: node.range, old: text(node), new: replacement };
          context.report({ node, message: JSON.stringify(one) });
        }
        function test(node: Deno.lint.Node, values: readonly string[]): void {
          found(node, "condition inverted", `!(${text(node)})`);
          for (const value of values) found(node, `condition always ${value}`, value);
        }
        /** Of the functions around, the innermost at the end: whether they return booleans. */
        const functions: boolean[] = [];
        const enter = (node: FunctionNode) => void functions.push(returnsBoolean(node));
        const leave = () => void functions.pop();
        return {
          FunctionDeclaration: enter,
          FunctionExpression: enter,
          ArrowFunctionExpression: enter,
          "FunctionDeclaration:exit": leave,
          "FunctionExpression:exit": leave,
          "ArrowFunctionExpression:exit": leave,
          IfStatement: (node) => test(node.test, ["true", "false"]),
          ConditionalExpression: (node) => test(node.test, ["true", "false"]),
          WhileStatement: (node) => test(node.test, ["false"]),
          ForStatement(node) {
            if (node.test !== null) test(node.test, ["false"]);
          },
          LogicalExpression(node) {
            found(node, `right of ${node.operator} removed`, text(node.left));
            found(node, `left of ${node.operator} removed`, text(node.right));
          },
          BinaryExpression(node) {
            const { left, operator, right } = node;
            const put = (other: string) => `${text(left)} ${other} ${text(right)}`;
            if (Object.hasOwn(shifted, operator)) {
              found(node, "boundary moved", put(shifted[operator]));
            }
            if (Object.hasOwn(negated, operator) && !isWholeTest(node)) {
              found(node, "comparison inverted", put(negated[operator]));
            }
            if (Object.hasOwn(otherwise, operator) && !isText(left) && !isText(right)) {
              found(node, "operator exchanged", put(otherwise[operator]));
            }
          },
          AssignmentExpression(node) {
            if (["|=", "&=", "^=", "??=", "||=", "&&="].includes(node.operator)) {
              found(node, "assignment made plain", `${text(node.left)} = ${text(node.right)}`);
            }
          },
          UnaryExpression(node) {
            if (node.operator === "!" && !isWholeTest(node)) {
              found(node, "negation removed", text(node.argument));
            }
          },
          MemberExpression(node) {
            const { property } = node;
            if (property.type === "Identifier" && Object.hasOwn(otherMethod, property.name)) {
              found(property, "method exchanged", otherMethod[property.name]);
            }
          },
          ReturnStatement(node) {
            const { argument } = node;
            if (argument === null) return;
            const value = text(argument);
            const isLiteral = value === "true" || value === "false";
            if (!isLiteral && functions.at(-1) !== true) return;
            if (value !== "true") found(argument, "result always true", "true");
            if (value !== "false") found(argument, "result always false", "false");
          },
        };
      },
    },
  },
};
export default plugin;
