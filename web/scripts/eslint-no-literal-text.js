// Text a person reads comes from locales/*.json: no words between JSX tags, none in the attributes that are read out.
const spoken = new Set(["alt", "aria-label", "aria-description", "aria-placeholder", "aria-roledescription", "label", "placeholder", "title"]);
const words = /\p{L}/u;

export const noLiteralText = {
  meta: { type: "problem", schema: [], messages: { text: "Put this text into locales/en.json and use its key." } },
  create(context) {
    const report = (node, value) => {
      if (typeof value === "string" && words.test(value)) context.report({ node, messageId: "text" });
    };
    const literal = (node) => {
      if (node?.type === "Literal") report(node, node.value);
      if (node?.type === "TemplateLiteral") node.quasis.forEach((part) => report(part, part.value.cooked));
    };
    return {
      JSXText: (node) => report(node, node.value),
      JSXExpressionContainer: (node) => {
        if (node.parent.type !== "JSXAttribute") literal(node.expression);
      },
      JSXAttribute: (node) => {
        if (node.name.type !== "JSXIdentifier" || !spoken.has(node.name.name)) return;
        literal(node.value?.type === "JSXExpressionContainer" ? node.value.expression : node.value);
      },
    };
  },
};
